package appinsights

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
)

// batch collects envelopes as lines of JSON. It is used by one goroutine.
type batch struct {
	lines  bytes.Buffer
	items  int
	enc    *json.Encoder
	packer *gzip.Writer
}

func newBatch() *batch {
	b := &batch{}
	b.enc = json.NewEncoder(&b.lines)
	b.enc.SetEscapeHTML(false)
	// Fast rather than small: it shares the processor with the requests.
	b.packer, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // only an unknown level is an error
	return b
}

// add writes one line. An envelope has no part that JSON cannot write: no cycle, no NaN.
func (b *batch) add(e envelope) {
	_ = b.enc.Encode(e)
	b.items++
}

// pack returns what was collected and begins anew. Writing to memory does not fail.
func (b *batch) pack() packed {
	var out bytes.Buffer
	b.packer.Reset(&out)
	_, _ = b.packer.Write(b.lines.Bytes())
	_ = b.packer.Close()
	p := packed{body: out.Bytes(), items: b.items}
	b.lines.Reset()
	b.items = 0
	return p
}

// packed is a batch as it goes over the wire, gzipped; or, without items, a mark in the backlog.
type packed struct {
	body  []byte
	items int
	done  chan<- error // of a mark: where to tell that it was reached
}

// only returns a batch of the items for which want holds, by their place in p.
func (p packed) only(want func(index int) bool) (packed, error) {
	r, err := gzip.NewReader(bytes.NewReader(p.body))
	if err != nil {
		return packed{}, fmt.Errorf("unpacking telemetry: %w", err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return packed{}, fmt.Errorf("unpacking telemetry: %w", err)
	}
	b := newBatch()
	index := 0
	for line := range bytes.Lines(raw) {
		if want(index) {
			b.lines.Write(line)
			b.items++
		}
		index++
	}
	return b.pack(), nil
}
