package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	goyaml "github.com/goccy/go-yaml"
	"sigs.k8s.io/yaml"
)

const value = "p4ss/w0rd+\"x\" ü"

// holder has a secret in every kind of place, exported and not.
type holder struct {
	Secret  Secret
	hidden  Secret
	Pointer *Secret
	List    []Secret
	Map     map[string]Secret
	Any     any
}

func held() holder {
	s := New(value)
	return holder{s, s, &s, []Secret{s}, map[string]Secret{"key": s}, s}
}

func TestNoVerbPrintsASecret(t *testing.T) {
	s := New(value)
	h := held()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08.3f", "%p", "%T", "%!"} {
		for _, v := range []any{s, &s, h, &h, []any{s}, fmt.Errorf("wrapped: %v", s)} {
			out := fmt.Sprintf(verb, v)
			if leaks(out) {
				t.Errorf("%s of a %T prints %s", verb, v, out)
			}
		}
	}
	if got := fmt.Sprintf("%v %s", s, s.GoString()); got != Redacted+" "+Redacted {
		t.Errorf("a secret prints as %s", got)
	}
}

// leaks says whether a text has the value, whole or in an obvious form.
func leaks(text string) bool {
	hex := fmt.Sprintf("%x", value)
	return strings.Contains(text, "p4ss") || strings.Contains(strings.ToLower(text), hex[:8]) || strings.Contains(text, fmt.Sprint([]byte(value)[:4])[1:10])
}

func TestNoEncoderTakesASecret(t *testing.T) {
	for name, encode := range map[string]func(any) ([]byte, error){
		"JSON":       json.Marshal,
		"XML":        xml.Marshal,
		"YAML":       yaml.Marshal,
		"goccy YAML": goyaml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
	} {
		for _, v := range []any{New(value), struct{ Password Secret }{New(value)}, []Secret{New(value)}} {
			out, err := encode(v)
			if err == nil || leaks(string(out)) {
				t.Errorf("%s of a %T gave %q, %v", name, v, out, err)
			}
		}
	}
	if _, err := json.Marshal(New(value)); !errors.Is(err, ErrMarshal) {
		t.Errorf("the error is %v", err)
	}
}

func TestNoLoggerWritesASecret(t *testing.T) {
	var b bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("logging in", "password", New(value), "all", held(), "group", slog.GroupValue(slog.Any("p", New(value))))
	}
	if leaks(b.String()) {
		t.Errorf("logged %s", b.String())
	}
	if !strings.Contains(b.String(), Redacted) {
		t.Errorf("the log does not say that there was one: %s", b.String())
	}
}

// walk follows everything that reflection can reach, as printers that look through pointers do.
func walk(v reflect.Value, found func(string)) {
	switch v.Kind() {
	case reflect.String:
		found(v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), found)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), found)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(v.MapIndex(k), found)
		}
	}
}

func TestReflectionDoesNotFindASecret(t *testing.T) {
	seen := 0
	walk(reflect.ValueOf([]any{held(), "control"}), func(s string) {
		seen++
		if leaks(s) {
			t.Errorf("found %q", s)
		}
	})
	if seen != 1 {
		t.Errorf("the walk found %d strings, want the control only", seen)
	}
}

func TestASecretCannotBeComparedByAccident(t *testing.T) {
	if reflect.TypeFor[Secret]().Comparable() {
		t.Error("== compiles for secrets")
	}
	if reflect.DeepEqual(New("a"), New("a")) {
		t.Error("reflect.DeepEqual compares secrets")
	}
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("a").Equal(New("aa")) || !(Secret{}).Equal(New("")) {
		t.Error("Equal is wrong")
	}
}

func TestASecretIsRevealedByName(t *testing.T) {
	if got := New(value).Reveal(); got != value || New(value).Len() != len(value) {
		t.Errorf("revealed %q", got)
	}
	if (Secret{}).Reveal() != "" {
		t.Error("the zero value is not empty")
	}
}
