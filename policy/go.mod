module github.com/plexus-ipc/plexus/policy

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	github.com/sony/gobreaker/v2 v2.4.0
)

require golang.org/x/sys v0.49.0 // indirect

replace github.com/plexus-ipc/plexus => ..
