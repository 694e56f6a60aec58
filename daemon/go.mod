module github.com/plexus-ipc/plexus/daemon

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	github.com/plexus-ipc/plexus/codec/cbor v0.0.0
	github.com/plexus-ipc/plexus/codec/msgpack v0.0.0
	github.com/plexus-ipc/plexus/hub/deadletter/bolt v0.0.0
	github.com/plexus-ipc/plexus/jsonschema/validate v0.0.0
	github.com/plexus-ipc/plexus/transport/noise v0.0.0
	github.com/plexus-ipc/plexus/transport/ws v0.0.0
)

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/flynn/noise v1.1.0 // indirect
	github.com/fxamacker/cbor/v2 v2.9.6 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	github.com/tinylib/msgp v1.6.5 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	go.etcd.io/bbolt v1.5.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace (
	github.com/plexus-ipc/plexus => ..
	github.com/plexus-ipc/plexus/codec/cbor => ../codec/cbor
	github.com/plexus-ipc/plexus/codec/msgpack => ../codec/msgpack
	github.com/plexus-ipc/plexus/hub/deadletter/bolt => ../hub/deadletter/bolt
	github.com/plexus-ipc/plexus/jsonschema/validate => ../jsonschema/validate
	github.com/plexus-ipc/plexus/transport/noise => ../transport/noise
	github.com/plexus-ipc/plexus/transport/ws => ../transport/ws
)
