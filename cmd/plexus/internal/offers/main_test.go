// SPDX-License-Identifier: Apache-2.0

package offers

import (
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
