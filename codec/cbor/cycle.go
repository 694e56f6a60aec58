// SPDX-License-Identifier: Apache-2.0

package cbor

import (
	"reflect"
	"sync"
)

// tooDeep is where a Go value counts as referring to itself: far beyond what may be encoded,
// far before the stack ends.
const tooDeep = 1000

// recursive caches whether values of a type can refer to themselves: reflect.Type → bool.
// It is package state because types are; peers cannot add to it.
var recursive sync.Map

// cyclic reports whether encoding v would not end. The library recurses without a limit, and
// Go cannot recover from a stack that is full. Values of types that cannot refer to
// themselves, most structs, are not walked.
func cyclic(v any) bool {
	rv := reflect.ValueOf(v)
	return rv.IsValid() && mayRecurse(rv.Type()) && deeper(rv, tooDeep)
}

func mayRecurse(t reflect.Type) bool {
	known, ok := recursive.Load(t)
	if !ok {
		known = reaches(t, nil)
		recursive.Store(t, known)
	}
	return known.(bool)
}

// reaches reports whether t contains an interface or one of the types on the path to it.
func reaches(t reflect.Type, path []reflect.Type) bool {
	for _, p := range path {
		if p == t {
			return true
		}
	}
	path = append(path, t)
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return reaches(t.Elem(), path)
	case reflect.Map:
		return reaches(t.Key(), path) || reaches(t.Elem(), path)
	case reflect.Struct:
		for f := range t.Fields() {
			if reaches(f.Type, path) {
				return true
			}
		}
	}
	return false
}

// deeper reports whether rv nests deeper than limit, pointers and interfaces included.
func deeper(rv reflect.Value, limit int) bool {
	if limit == 0 {
		return true
	}
	switch rv.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !rv.IsNil() && deeper(rv.Elem(), limit-1)
	case reflect.Slice, reflect.Array:
		return mayRecurse(rv.Type().Elem()) && deeperList(rv, limit-1)
	case reflect.Map:
		return deeperMap(rv, limit-1)
	case reflect.Struct:
		for _, f := range rv.Fields() {
			if deeper(f, limit-1) {
				return true
			}
		}
	}
	return false
}

func deeperList(rv reflect.Value, limit int) bool {
	for i := range rv.Len() {
		if deeper(rv.Index(i), limit) {
			return true
		}
	}
	return false
}

func deeperMap(rv reflect.Value, limit int) bool {
	if !mayRecurse(rv.Type().Elem()) && !mayRecurse(rv.Type().Key()) {
		return false
	}
	for it := rv.MapRange(); it.Next(); {
		if deeper(it.Value(), limit) || deeper(it.Key(), limit) {
			return true
		}
	}
	return false
}
