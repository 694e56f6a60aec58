module github.com/plexus-ipc/plexus/cmd/plexus

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	github.com/plexus-ipc/plexus/daemon v0.0.0
	github.com/rogpeppe/go-internal v1.16.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)

replace (
	github.com/plexus-ipc/plexus => ../..
	github.com/plexus-ipc/plexus/daemon => ../../daemon
)
