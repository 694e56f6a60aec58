module github.com/plexus-ipc/plexus/hub/hubtest/model

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	pgregory.net/rapid v1.3.0
)

replace github.com/plexus-ipc/plexus => ../../..
