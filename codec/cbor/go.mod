module github.com/plexus-ipc/plexus/codec/cbor

go 1.26.0

require (
	github.com/fxamacker/cbor/v2 v2.9.6
	github.com/plexus-ipc/plexus v0.0.0
)

require github.com/x448/float16 v0.8.4 // indirect

replace github.com/plexus-ipc/plexus => ../..
