module github.com/plexus-ipc/plexus/bench

go 1.26.0

require github.com/plexus-ipc/plexus v0.0.0

require golang.org/x/sys v0.49.0

replace github.com/plexus-ipc/plexus => ..
