module github.com/plexus-ipc/plexus/codec/msgpack

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	github.com/tinylib/msgp v1.6.5
)

require github.com/philhofer/fwd v1.2.0 // indirect

replace github.com/plexus-ipc/plexus => ../..
