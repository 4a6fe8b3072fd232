package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"unicode/utf8"
)

// Limits of texts, from Azure's service limits: longer ones are cut.
const (
	maxMessage  = 32_768
	maxProperty = 8_192
	maxKey      = 150
	maxName     = 1_024
)

// maxBags bounds the cache; when it is full it starts again.
const maxBags = 4_096

// bags remembers properties that were checked: services send the same few
// again and again, and checking takes longer than looking up.
type bags struct {
	mu    sync.Mutex
	known map[string]string
}

// properties returns the canonical JSON text of a bag of strings, "" when
// there is nothing in it.
func (b *bags) properties(raw json.RawMessage, typ string) (string, error) {
	if isNothing(raw) {
		return "", nil
	}
	b.mu.Lock()
	text, ok := b.known[string(raw)]
	b.mu.Unlock()
	if ok {
		return text, nil
	}
	var bag map[string]*string
	if err := json.Unmarshal(raw, &bag); err != nil {
		return "", bagError(err, "properties", typ, "string")
	}
	for k, v := range bag {
		switch short := cut(k, maxKey); {
		case v == nil:
			delete(bag, k)
		case short != k:
			delete(bag, k)
			bag[short] = v
		}
		if v != nil {
			*v = cut(*v, maxProperty)
		}
	}
	text, err := marshal(bag)
	if err != nil || text == "{}" {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil || len(b.known) >= maxBags {
		b.known = make(map[string]string, maxBags)
	}
	b.known[string(raw)] = text
	return text, nil
}

// measurements returns the canonical JSON text of a bag of numbers.
func measurements(raw json.RawMessage, typ string) (string, error) {
	if isNothing(raw) {
		return "", nil
	}
	var bag map[string]float64
	if err := json.Unmarshal(raw, &bag); err != nil {
		return "", bagError(err, "measurements", typ, "number")
	}
	text, err := marshal(bag)
	if text == "{}" {
		text = ""
	}
	return text, err
}

func isNothing(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null" || string(raw) == "{}"
}

func bagError(err error, field, typ, values string) error {
	received := "not that"
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		received = mismatch.Value
	}
	return incorrect(field, typ, "object of "+values+"s", received)
}

// marshal writes JSON as a person would: no escapes for HTML, keys in order.
func marshal(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// cut shortens s to at most n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
