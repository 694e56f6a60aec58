// SPDX-License-Identifier: Apache-2.0

package cbor

import "reflect"

// narrow replaces, in the tree of an any that came out of a document with mixed keys, every
// map[any]any with text keys only by a map[string]any: the type of a map depends on its own
// keys, not on those of its neighbours.
func narrow(v any) any {
	switch v := v.(type) {
	case []any:
		narrowAll(v)
	case Set:
		narrowAll(v)
	case Tag:
		v.Content = narrow(v.Content)
		return v
	case map[any]any:
		return narrowMap(v)
	}
	return v
}

func narrowAll(list []any) {
	for i := range list {
		list[i] = narrow(list[i])
	}
}

// narrowMap fills a new map: to replace the elements of one that is being ranged over would
// add to it where a key is NaN, perhaps without an end.
func narrowMap(m map[any]any) any {
	wide, text := make(map[any]any, len(m)), 0
	for k, e := range m {
		if _, ok := k.(string); ok {
			text++
		}
		wide[k] = narrow(e)
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

// narrowIn finds the anys inside a typed value. What holds none is not walked; limit ends
// what refers to itself, which only the caller of Decode can have put there.
func narrowIn(rv reflect.Value, limit int) {
	if !rv.IsValid() || limit == 0 || !mayRecurse(rv.Type()) {
		return
	}
	switch rv.Kind() {
	case reflect.Pointer:
		narrowIn(rv.Elem(), limit-1)
	case reflect.Interface:
		if rv.CanSet() && rv.NumMethod() == 0 && !rv.IsNil() {
			rv.Set(reflect.ValueOf(narrow(rv.Interface())))
		}
	case reflect.Struct:
		for _, f := range rv.Fields() {
			narrowIn(f, limit-1)
		}
	case reflect.Slice, reflect.Array:
		for i := range rv.Len() {
			narrowIn(rv.Index(i), limit-1)
		}
	case reflect.Map:
		narrowInMap(rv, limit-1)
	}
}

// narrowInMap fills a new map, too: the elements of a Go map cannot be changed in place.
func narrowInMap(rv reflect.Value, limit int) {
	if rv.IsNil() || !rv.CanSet() {
		return
	}
	out := reflect.MakeMapWithSize(rv.Type(), rv.Len())
	for it := rv.MapRange(); it.Next(); {
		e := reflect.New(rv.Type().Elem()).Elem()
		e.Set(it.Value())
		narrowIn(e, limit)
		out.SetMapIndex(it.Key(), e)
	}
	rv.Set(out)
}
