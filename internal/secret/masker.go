package secret

import (
	"io"
	"strings"
	"sync"
)

// Mask is what a masker writes in place of a secret.
const Mask = "***"

// MinLength is the length in bytes below which a value is not masked: it would be found everywhere, and masking it would
// tell what it is.
const MinLength = 4

// minEncoded is the same for characters of base64, where nearly every short text occurs.
const minEncoded = 6

// Masker knows secrets and takes them out of text: as they are, in base64 (also as a part of what was encoded), and escaped
// for URLs, JSON, Go, HTML and XML, wholly or in part. A secret of several lines is also found line by line, because logs
// put something before each. Compressed, encrypted, hashed or otherwise encoded forms are not found.
//
// The zero value knows none and is ready for use. It is safe for concurrent use.
type Masker struct {
	mu sync.RWMutex
	// byFirst are the patterns by the byte with which they can begin.
	byFirst [256][]pattern
}

// Add makes the masker know a secret from now on. White space around it is not part of what is looked for. It returns false
// when the value is too short to be masked ([MinLength]).
func (m *Masker) Add(s Secret) bool {
	value := strings.TrimSpace(s.Reveal())
	if len(value) < MinLength {
		return false
	}
	parts := []string{value}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); line != value && len(line) >= MinLength {
			parts = append(parts, line)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, part := range parts {
		m.know(plain(part))
		for _, p := range encodings(part) {
			m.know(p)
		}
	}
	return true
}

func (m *Masker) know(p pattern) {
	for _, first := range p.firsts() {
		m.byFirst[first] = append(m.byFirst[first], p)
	}
}

// String masks a text that is whole.
func (m *Masker) String(s string) string {
	var b strings.Builder
	w := m.Writer(&b)
	// A strings.Builder does not fail.
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return b.String()
}

// at finds the longest secret at the start of b; more says that a longer b may hold one.
func (m *Masker) at(b []byte) (n int, more bool) {
	for _, p := range m.byFirst[b[0]] {
		length, open := p.match(b)
		n, more = max(n, length), more || open
	}
	return n, more
}

// Writer masks what goes through it to out.
func (m *Masker) Writer(out io.Writer) *Writer { return &Writer{masker: m, out: out} }

// Writer is a masking writer. A secret is found across the borders of writes: bytes that may be the beginning of one are
// kept back until it is known whether they are, or until [Writer.Flush]. It is safe for concurrent use.
type Writer struct {
	masker *Masker
	out    io.Writer

	mu   sync.Mutex
	held []byte
	// covered is how many of the held bytes are part of a secret whose mask is written already.
	covered int
}

// Write implements io.Writer. It reports len(p) unless the writer behind it fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	if err := w.pass(false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what was kept back. Call it at the end; in the middle it may tear a secret in two.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pass(true)
}

// pass writes as much of the held bytes as is certain, or all.
func (w *Writer) pass(all bool) error {
	w.masker.mu.RLock()
	defer w.masker.mu.RUnlock()
	var clean []byte
	i := 0
	for ; i < len(w.held); i++ {
		n, more := w.masker.at(w.held[i:])
		if more && !all {
			break
		}
		// Secrets that overlap become one mask.
		if n > 0 && w.covered == 0 {
			clean = append(clean, Mask...)
		}
		w.covered = max(w.covered, n)
		if w.covered > 0 {
			w.covered--
			continue
		}
		clean = append(clean, w.held[i])
	}
	w.held = append(w.held[:0], w.held[i:]...)
	if len(clean) == 0 {
		return nil
	}
	_, err := w.out.Write(clean)
	return err
}
