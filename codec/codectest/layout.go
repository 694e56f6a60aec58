// SPDX-License-Identifier: Apache-2.0

package codectest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// scalars are the names of a vectors file for scalar types.
var scalars = map[string]reflect.Type{
	"bool": reflect.TypeFor[bool](),
	"i8":   reflect.TypeFor[int8](), "i16": reflect.TypeFor[int16](),
	"i32": reflect.TypeFor[int32](), "i64": reflect.TypeFor[int64](),
	"u8": reflect.TypeFor[uint8](), "u16": reflect.TypeFor[uint16](),
	"u32": reflect.TypeFor[uint32](), "u64": reflect.TypeFor[uint64](),
	"f32": reflect.TypeFor[float32](), "f64": reflect.TypeFor[float64](),
}

// layoutType makes the type that a layout describes: "u16" a scalar, ["array", 3, "u16"],
// ["slice", "u16"], or ["struct", ["Name", "u16"], …].
func layoutType(layout any) (reflect.Type, error) {
	if name, ok := layout.(string); ok {
		if t, ok := scalars[name]; ok {
			return t, nil
		}
	}
	list, ok := layout.([]any)
	if !ok || len(list) < 2 {
		return nil, fmt.Errorf("layout %v is not known", layout)
	}
	if list[0] == "struct" {
		return structType(list[1:])
	}
	elem, err := layoutType(list[len(list)-1])
	if err != nil || list[0] == "slice" {
		return reflect.SliceOf(elem), err
	}
	n, ok := list[1].(float64)
	if !ok || list[0] != "array" {
		return nil, fmt.Errorf("layout %v is not known", layout)
	}
	return reflect.ArrayOf(int(n), elem), nil
}

func structType(list []any) (reflect.Type, error) {
	var fields []reflect.StructField
	for _, item := range list {
		pair, ok := item.([]any)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("field %v is not a pair", item)
		}
		t, err := layoutType(pair[1])
		if err != nil {
			return nil, err
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprint(pair[0]), Type: t})
	}
	return reflect.StructOf(fields), nil
}

// number turns a JSON number into an int64 or uint64 if it is written as an integer, else
// into a float64.
func number(n json.Number) (any, error) {
	if strings.ContainsAny(n.String(), ".eE") {
		return float(n.String())
	}
	return integer(n.String())
}

func integer(text string) (any, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	return strconv.ParseUint(text, 10, 64)
}

func float(text string) (any, error) { return strconv.ParseFloat(text, 64) }
