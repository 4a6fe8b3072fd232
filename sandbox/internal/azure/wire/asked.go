package wire

import (
	"net/http"
	"strings"
	"sync"
)

// Asked remembers requests. The zero value is ready for use; it is safe for concurrent use.
type Asked struct {
	mu    sync.Mutex
	lines []string // METHOD host/path
}

// Add remembers a request.
func (a *Asked) Add(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, r.Method+" "+r.URL.Host+r.URL.Path)
}

// Count of requests whose line, METHOD host/path, contains part.
func (a *Asked) Count(part string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, line := range a.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}
