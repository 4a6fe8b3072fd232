package config

import _ "embed"

// The schema is generated from the types and their comments by the tests (go test ./internal/config -run Schema -update),
// so that the program carries neither a reflector nor a Go parser; the same test fails when it is out of date.
//
//go:embed schema.json
var schemaJSON []byte

// Schema is the JSON Schema (draft 2020-12) of slipway.yaml, for editors. It knows what a schema can say: keys, types,
// ranges and patterns. What needs more than one place of the file (names that must exist, rising steps, references)
// only [Parse] checks. The slice is a copy.
func Schema() []byte { return append([]byte(nil), schemaJSON...) }
