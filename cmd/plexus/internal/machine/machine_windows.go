// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

func kernel() string {
	v := windows.RtlGetVersion()
	return fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
}

func cpu() string { return os.Getenv("PROCESSOR_IDENTIFIER") }
