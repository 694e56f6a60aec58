// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/service"
)

// A method is announced with schemas of its types. Options give others, or none.
func Example_schema() {
	type Order struct {
		Item  string `json:"item" description:"as in the catalogue"`
		Count uint8  `json:"count,omitempty"`
	}

	srv, err := plexus.Listen("mem://example-schema", nil)
	fatal(err)
	defer srv.Close()
	_, err = plexus.Handle(srv, "order", func(_ context.Context, o Order) (bool, error) { return o.Count > 0, nil })
	fatal(err)
	_, err = plexus.Declare(srv, "sold", service.WithSchema(json.RawMessage(`{"type": "string", "maxLength": 80}`), nil))
	fatal(err)

	ctx := context.Background()
	c, err := plexus.Dial(ctx, "mem://example-schema", nil)
	fatal(err)
	defer c.Close()
	x, err := c.Explore(ctx, "")
	fatal(err)
	fmt.Println(x.Methods[0].Name, string(x.Methods[0].Input))
	fmt.Println(x.Topics[0].Name, string(x.Topics[0].Schema))
	// Output:
	// order {"type":"object","properties":{"item":{"description":"as in the catalogue","type":"string"},"count":{"type":"integer","minimum":0,"maximum":255}},"required":["item"]}
	// sold {"type":"string","maxLength":80}
}
