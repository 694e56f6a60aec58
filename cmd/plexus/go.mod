module github.com/plexus-ipc/plexus/cmd/plexus

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	github.com/plexus-ipc/plexus/daemon v0.0.0
	github.com/rogpeppe/go-internal v1.16.0
	github.com/spf13/cobra v1.10.2
)

replace (
	github.com/plexus-ipc/plexus => ../..
	github.com/plexus-ipc/plexus/daemon => ../../daemon
)
