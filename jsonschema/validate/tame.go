// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// tame returns a decoded value as encoding/json would have it, with numbers whose digits
// cannot fill the memory: a number is an int64, a uint64 or a float64. v is changed in place.
// What has no JSON is an error.
func tame(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case []any:
		for i, e := range v {
			var err error
			if v[i], err = tame(e); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		for k, e := range v {
			var err error
			if v[k], err = tame(e); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[any]any:
		return object(v)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("%v is no number of JSON", v)
		}
		return v, nil
	case float32:
		return tame(float64(v))
	case []byte:
		return base64.StdEncoding.EncodeToString(v), nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case nil, bool, string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return v, nil
	}
	return foreign(v)
}

// foreign gives a value that a codec has brought along its JSON.
func foreign(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("a %T has no JSON", v)
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		return nil, fmt.Errorf("a %T has no JSON", v)
	}
	return plain, nil
}

// object is a map whose keys are written as JSON writes them.
func object(m map[any]any) (any, error) {
	out := make(map[string]any, len(m))
	for k, e := range m {
		switch k.(type) {
		case string, int, int64, uint64, bool:
		default:
			return nil, fmt.Errorf("a %T cannot be the name of a member in JSON", k)
		}
		var err error
		if out[fmt.Sprint(k)], err = tame(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func number(text string) (any, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %.40s is out of range", text)
	}
	return f, nil
}
