module github.com/plexus-ipc/plexus/daemon

go 1.26.0

require github.com/plexus-ipc/plexus v0.0.0

replace github.com/plexus-ipc/plexus => ..
