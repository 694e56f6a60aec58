// SPDX-License-Identifier: Apache-2.0

// Package model holds tests only: random operations of up to twenty members against a real
// hub in memory, and against a small sequential model of what a hub is. After each step the
// two must agree: who is in which channel, who owns it, who offers what, what has been
// delivered to whom and in which order, which calls are open, and where every publication
// has gone. It is a module of its own because the library requires no test tools.
//
//	go test ./hub/hubtest/model                                          # some ten seconds
//	go test ./hub/hubtest/model -rapid.checks=5000 -rapid.steps=100      # long
//	go test ./hub/hubtest/model -rapid.seed=N                            # what a failure has told
package model
