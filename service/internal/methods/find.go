// SPDX-License-Identifier: Apache-2.0

// Package methods makes the methods of a Go value what a service can offer, by reflection.
package methods

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Method is a method of a Go value that can be offered.
type Method struct {
	Name string // by which it is called
	Form
	f reflect.Value
}

// Of lists the methods of v that are to be offered, see service.AddMethods. All that is wrong
// is told at once.
func Of(v any, names map[string]string) ([]*Method, error) {
	if err := usable(v); err != nil {
		return nil, err
	}
	val, t := reflect.ValueOf(v), reflect.TypeOf(v)
	rest := maps.Clone(names)
	var found []*Method
	var errs []error
	for i := range t.NumMethod() {
		goName := t.Method(i).Name
		name, given := names[goName]
		delete(rest, goName)
		if given && name == "" {
			continue
		}
		if !given {
			name = lowerFirst(goName)
		}
		f, ok := formOf(val.Method(i).Type())
		if !ok {
			errs = append(errs, status.Errorf(status.InvalidArgument, "method %s of %T is %s, which is none of the forms that can be offered "+
				"(see service.AddMethods): give it the name \"\" to leave it out", goName, v, strings.TrimPrefix(val.Method(i).Type().String(), "func")))
			continue
		}
		found = append(found, &Method{name, f, val.Method(i)})
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		errs = append(errs, status.Errorf(status.InvalidArgument, "%T has no method %s to name", v, name))
	}
	return found, errors.Join(errs...)
}

// usable refuses values whose methods cannot be called, or are not all seen.
func usable(v any) error {
	t := reflect.TypeOf(v)
	switch {
	case t == nil:
		return status.Errorf(status.InvalidArgument, "nil has no methods to offer")
	case t.Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil():
		return status.Errorf(status.InvalidArgument, "the %T is nil", v)
	case t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && reflect.PointerTo(t).NumMethod() > t.NumMethod():
		return status.Errorf(status.InvalidArgument, "some methods of %T are those of its pointer: give a pointer", v)
	}
	return nil
}

// lowerFirst makes the first word of a name small: AddAll is addAll, URLOf urlOf, ID id.
func lowerFirst(name string) string {
	r := []rune(name)
	for i := range r {
		if !unicode.IsUpper(r[i]) || i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	return string(r)
}

// Form is what a method takes and gives.
type Form struct {
	Shape   session.Shape
	In, Out reflect.Type // the values that the caller sends and gets: one, or each item
	seq     bool         // it returns its items as an iter.Seq2
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
	boolType    = reflect.TypeFor[bool]()
	loanType    = reflect.TypeFor[*session.Loan]()
)

// formOf tells the form of a method, false if it has none of those of AddMethods.
func formOf(t reflect.Type) (f Form, ok bool) {
	if t.IsVariadic() || t.NumIn() < 2 || t.NumIn() > 3 || t.In(0) != contextType {
		return f, false
	}
	items, streams := itemOf(t.In(1))
	if f.In = t.In(1); streams {
		f.In = items
	}
	switch {
	case t.NumIn() == 3:
		ok = f.sends(t, streams)
	case t.NumOut() == 1:
		f.Shape, f.seq = session.ServerStream, true
		f.Out, ok = itemOf(t.Out(0))
		ok = ok && !streams
	case t.NumOut() == 2:
		f.Out, ok = t.Out(0), t.Out(1) == errorType
		if _, more := itemOf(f.Out); more {
			ok = false
		}
		if streams {
			f.Shape = session.ClientStream
		}
	}
	return f, ok && f.In != loanType && f.Out != loanType
}

// sends judges a method whose third argument sends.
func (f *Form) sends(t reflect.Type, streams bool) bool {
	send := t.In(2)
	f.Shape = session.ServerStream
	if streams {
		f.Shape = session.Duplex
	}
	if send.Kind() != reflect.Func || send.IsVariadic() || send.NumIn() != 1 || send.NumOut() != 1 || send.Out(0) != errorType {
		return false
	}
	f.Out = send.In(0)
	return t.NumOut() == 1 && t.Out(0) == errorType
}

// itemOf returns T of an iter.Seq2[T, error].
func itemOf(t reflect.Type) (item reflect.Type, ok bool) {
	if t.Kind() != reflect.Func || t.IsVariadic() || t.NumIn() != 1 || t.NumOut() != 0 {
		return nil, false
	}
	yield := t.In(0)
	if yield.Kind() != reflect.Func || yield.IsVariadic() || yield.NumIn() != 2 || yield.NumOut() != 1 ||
		yield.In(1) != errorType || yield.Out(0) != boolType {
		return nil, false
	}
	return yield.In(0), true
}
