// Package envelope reads what telemetry SDKs send to the ingestion endpoint of
// Application Insights and turns it into rows of the App* tables. It does no
// I/O and keeps nothing but a cache.
//
// It refuses what the real service refuses, in the words of the real service
// where they are known: codes 102, 103, 106 and 109 were seen in its answers.
package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Limits of one item; see "Application Insights" in Azure's service limits.
const (
	// MaxItem is the size of one item in bytes.
	MaxItem = 64 << 10
	// MaxAge is how old an item may be; MaxAhead is how far in the future.
	MaxAge   = 48 * time.Hour
	MaxAhead = 2 * time.Hour
)

// Problem is why an item was refused.
type Problem struct {
	// Index counts the items of the request from 0.
	Index int `json:"index"`
	// StatusCode is the HTTP status that the item alone would have had.
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
}

// Result is what a request body held.
type Result struct {
	// Received and Accepted count items, not rows.
	Received, Accepted int
	Rows               []Row
	Problems           []Problem
}

// Parser turns request bodies into rows. Its methods may be called from
// several goroutines.
type Parser struct {
	// Keys are the instrumentation keys that are known, each with the resource
	// id of its component, which becomes _ResourceId.
	Keys map[string]string
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	bags bags
}

// Parse reads a decoded body: a JSON array of envelopes, or one envelope a
// line. It never fails as a whole: what cannot be read is a Problem.
func (p *Parser) Parse(body []byte) Result {
	now := time.Now()
	if p.Now != nil {
		now = p.Now()
	}
	b := batch{parser: p, now: now}
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	switch {
	case len(body) == 0:
	case body[0] == '[':
		b.array(body)
	default:
		b.lines(body)
	}
	return b.Result
}

// batch is one body while it is read.
type batch struct {
	Result
	parser *Parser
	now    time.Time
}

// array reads a JSON array, which is taken or refused as a whole if it is not JSON.
func (b *batch) array(body []byte) {
	if err := b.elements(json.NewDecoder(bytes.NewReader(body))); err != nil {
		b.Result = Result{}
		b.refuse(http.StatusBadRequest, "Invalid JSON: %v", err)
	}
}

func (b *batch) elements(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		start := d.InputOffset()
		var it item
		err := d.Decode(&it)
		var mismatch *json.UnmarshalTypeError
		if err != nil && !errors.As(err, &mismatch) {
			return err
		}
		b.add(&it, d.InputOffset()-start, mismatch)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the array")
	}
	return nil
}

func (b *batch) lines(body []byte) {
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		var it item
		err := json.Unmarshal(line, &it)
		var mismatch *json.UnmarshalTypeError
		if err != nil && !errors.As(err, &mismatch) {
			b.refuse(http.StatusBadRequest, "Invalid JSON: %v", err)
			continue
		}
		b.add(&it, int64(len(line)), mismatch)
	}
}

// refuse counts an item that is not taken.
func (b *batch) refuse(status int, format string, args ...any) {
	b.Problems = append(b.Problems, Problem{Index: b.Received, StatusCode: status, Message: fmt.Sprintf(format, args...)})
	b.Received++
}

// add takes or refuses one item.
func (b *batch) add(it *item, size int64, mismatch *json.UnmarshalTypeError) {
	if size > MaxItem {
		b.refuse(http.StatusBadRequest, "The item has %d bytes; at most %d are allowed", size, MaxItem)
		return
	}
	if mismatch != nil {
		b.refuse(http.StatusBadRequest, "%s", wrongType(it, mismatch))
		return
	}
	rows, err := b.parser.rows(it, b.now)
	if err != nil {
		b.refuse(http.StatusBadRequest, "%v", err)
		return
	}
	b.Received++
	b.Accepted++
	b.Rows = append(b.Rows, rows...)
}
