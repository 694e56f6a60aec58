module github.com/plexus-ipc/plexus/codec/protobuf

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	google.golang.org/protobuf v1.36.12
)

replace github.com/plexus-ipc/plexus => ../..
