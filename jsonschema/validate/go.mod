module github.com/plexus-ipc/plexus/jsonschema/validate

go 1.26.0

require (
	github.com/plexus-ipc/plexus v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	golang.org/x/text v0.14.0
)

replace github.com/plexus-ipc/plexus => ../..
