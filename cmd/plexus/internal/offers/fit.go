// SPDX-License-Identifier: Apache-2.0

package offers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/jsonschema/validate"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Fit says before anything is sent where a value does not fit what a method announces. Where
// nothing is announced, or nobody can be asked, everything fits: the other side decides.
func Fit(ctx context.Context, ch *plexus.Channel, method string, shape session.Shape, id codec.ID, v []byte) error {
	if ch.Name() == operation.Channel {
		return nil
	}
	x, err := ch.Explore(ctx, method)
	if err != nil || len(x.Methods) != 1 || x.Methods[0].Shape != uint8(shape) || len(x.Methods[0].Input) == 0 {
		return nil //nolint:nilerr // see above
	}
	judge, err := validate.New().Compile(x.Methods[0].Input)
	if err != nil {
		return nil //nolint:nilerr // a schema that cannot be used rules nothing out
	}
	violation, ok := jsonschema.ViolationOf(judge(uint8(id), v))
	if !ok {
		return nil // it fits, or is too long to be judged here
	}
	violation.Subject = jsonschema.Input
	return violation.Err("the value for " + subject.JoinMethod(ch.Name(), method))
}

// ReadFile reads what "provide --schema" names: what "plexus schema -o json" prints, or a
// JSON object with the members input and output, or else the schema of the input.
func ReadFile(path string) ([]plexus.Option, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the schema cannot be read: %w", err)
	}
	var both struct{ Input, Output json.RawMessage }
	if err := json.Unmarshal(text, &both); err != nil || both.Input == nil && both.Output == nil {
		both.Input = text
	}
	v := validate.New()
	for _, s := range []json.RawMessage{both.Input, both.Output} {
		if _, err := v.Compile(s); err != nil {
			return nil, fmt.Errorf("%s: %s", path, status.Convert(err).Message)
		}
	}
	return []plexus.Option{service.WithSchema(both.Input, both.Output), service.WithValidator(v)}, nil
}
