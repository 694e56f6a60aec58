// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !windows

package machine

func kernel() string { return "" }

func cpu() string { return "" }
