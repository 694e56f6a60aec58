// SPDX-License-Identifier: Apache-2.0

package cbor

import (
	"fmt"
	"math/big"
	"reflect"
)

// narrower goes through what came out of a document with mixed keys. In every any it
// replaces a map[any]any with text keys only by a map[string]any, as the type of a map
// depends on its own keys, not on those of its neighbours; and it looks for keys that Go
// would never find again.
type narrower struct{ lost error }

func (n *narrower) free(v any) any {
	switch v := v.(type) {
	case []any:
		n.list(v)
	case Set:
		n.list(v)
	case Tag:
		v.Content = n.free(v.Content)
		return v
	case map[any]any:
		return n.freeMap(v)
	}
	return v
}

func (n *narrower) list(list []any) {
	for i := range list {
		list[i] = n.free(list[i])
	}
}

// freeMap fills a new map: to replace the elements of one that is being ranged over would
// add to it where a key is NaN, perhaps without an end.
func (n *narrower) freeMap(m map[any]any) any {
	wide, text := make(map[any]any, len(m)), 0
	for k, e := range m {
		if _, ok := k.(string); ok {
			text++
		} else if !findable(k) {
			n.lost = fmt.Errorf("a key of %T cannot be a Go map key", k)
		}
		wide[k] = n.free(e)
	}
	if text < len(m) {
		return wide
	}
	out := make(map[string]any, len(m))
	for k, e := range wide {
		out[k.(string)] = e
	}
	return out
}

// findable reports whether equal keys are one key: big integers are compared by address, NaN
// equals nothing.
func findable(k any) bool {
	switch k := k.(type) {
	case *big.Int:
		return false
	case float64:
		return k == k
	case Tag:
		return findable(k.Content)
	}
	return true
}

// typed finds the anys inside a typed value. What holds none is not walked; limit ends what
// refers to itself, which only the caller of Decode can have put there.
func (n *narrower) typed(rv reflect.Value, limit int) {
	if !rv.IsValid() || limit == 0 || !mayRecurse(rv.Type()) {
		return
	}
	switch rv.Kind() {
	case reflect.Pointer:
		n.typed(rv.Elem(), limit-1)
	case reflect.Interface:
		if rv.CanSet() && rv.NumMethod() == 0 && !rv.IsNil() {
			rv.Set(reflect.ValueOf(n.free(rv.Interface())))
		}
	case reflect.Struct:
		for _, f := range rv.Fields() {
			n.typed(f, limit-1)
		}
	case reflect.Slice, reflect.Array:
		for i := range rv.Len() {
			n.typed(rv.Index(i), limit-1)
		}
	case reflect.Map:
		n.typedMap(rv, limit-1)
	}
}

// typedMap fills a new map, too: the elements of a Go map cannot be changed in place.
func (n *narrower) typedMap(rv reflect.Value, limit int) {
	if rv.IsNil() || !rv.CanSet() {
		return
	}
	out := reflect.MakeMapWithSize(rv.Type(), rv.Len())
	for it := rv.MapRange(); it.Next(); {
		e := reflect.New(rv.Type().Elem()).Elem()
		e.Set(it.Value())
		n.typed(e, limit)
		out.SetMapIndex(it.Key(), e)
	}
	rv.Set(out)
}
