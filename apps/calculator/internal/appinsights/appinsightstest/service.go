// Package appinsightstest stands in for Application Insights in tests: it takes POST /v2.1/track,
// checks strictly what it is sent, and keeps it.
package appinsightstest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Key is the only instrumentation key that the Service takes.
const Key = "00000000-0000-4000-8000-000000000001"

// Item is one item that was accepted.
type Item struct {
	Type       string // the base type: RequestData, …
	Time       time.Time
	SampleRate float64
	Tags       map[string]string
	Base       map[string]any // the base data
	Properties map[string]any // those of the base data
}

// Duration is that of a request or a dependency.
func (i Item) Duration() time.Duration {
	d, err := timespan(fmt.Sprint(i.Base["duration"]))
	if err != nil {
		return -1
	}
	return d
}

// Answer is what the Service says to one post. The zero value means: accept everything.
type Answer struct {
	Status int
	Header http.Header
	Errors map[int]int // codes of the items, by index, that are not accepted
	Body   string      // in place of the usual one
	Err    error       // no answer at all: the connection breaks
}

// Service is the stand-in. It is an http.RoundTripper as well, for tests that have no network. What a
// client does wrong fails the test.
type Service struct {
	tb     testing.TB
	mu     sync.Mutex
	script []Answer
	items  []Item
	posts  []time.Time
}

// New returns a Service that answers as the script says, and then accepts everything.
func New(tb testing.TB, script ...Answer) *Service {
	return &Service{tb: tb, script: script}
}

// Listen serves on loopback until the test ends, and returns the connection string.
func (s *Service) Listen() string {
	server := httptest.NewServer(s)
	s.tb.Cleanup(server.Close)
	return ConnectionString(server.URL)
}

// ConnectionString is one for an endpoint.
func ConnectionString(endpoint string) string {
	return "InstrumentationKey=" + Key + ";IngestionEndpoint=" + endpoint + "/"
}

// Items returns what was accepted of a base type, in the order of its coming.
func (s *Service) Items(baseType string) []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.items), func(i Item) bool { return i.Type != baseType })
}

// Posts returns when the posts came, those that were not answered well among them.
func (s *Service) Posts() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// RoundTrip answers without a network.
func (s *Service) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer, body := s.take(r)
	if answer.Err != nil {
		return nil, answer.Err
	}
	w := httptest.NewRecorder()
	write(w, answer, body)
	return w.Result(), nil
}

// ServeHTTP answers over a network.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, body := s.take(r)
	if answer.Err != nil {
		panic(http.ErrAbortHandler)
	}
	write(w, answer, body)
}

func write(w http.ResponseWriter, a Answer, body []byte) {
	for k, v := range a.Header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.Status)
	_, _ = w.Write(body)
}

// take checks a post, keeps what it holds, and says what to answer.
func (s *Service) take(r *http.Request) (Answer, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = append(s.posts, time.Now())
	var a Answer
	if len(s.script) > 0 {
		a, s.script = s.script[0], s.script[1:]
	}
	items, err := read(r)
	if err != nil {
		s.tb.Errorf("a post that the service would refuse: %v", err)
		a = Answer{Status: http.StatusBadRequest}
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
		if len(a.Errors) > 0 {
			a.Status = http.StatusPartialContent
		}
	}
	type refusal struct {
		Index   int    `json:"index"`
		Code    int    `json:"statusCode"`
		Message string `json:"message"`
	}
	said := struct {
		Received int       `json:"itemsReceived"`
		Accepted int       `json:"itemsAccepted"`
		Errors   []refusal `json:"errors"`
	}{Received: len(items), Errors: []refusal{}}
	for i, item := range items {
		if code, bad := a.Errors[i]; bad {
			said.Errors = append(said.Errors, refusal{i, code, "as the test's script says"})
		} else if a.Err == nil && (a.Status == http.StatusOK || a.Status == http.StatusPartialContent) {
			said.Accepted++
			s.items = append(s.items, item)
		}
	}
	body, err := json.Marshal(said)
	if err != nil {
		s.tb.Error(err)
	}
	if a.Body != "" {
		body = []byte(a.Body)
	}
	return a, body
}

func read(r *http.Request) ([]Item, error) {
	for name, want := range map[string]string{"Content-Type": "application/x-json-stream", "Content-Encoding": "gzip"} {
		if got := r.Header.Get(name); got != want {
			return nil, fmt.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v2.1/track" {
		return nil, fmt.Errorf("%s %s, want POST /v2.1/track", r.Method, r.URL.Path)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	var items []Item
	for line := range bytes.Lines(raw) {
		item, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, line)
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return nil, errors.New("no items")
	}
	return items, nil
}

// fields are those of each base type that this project sends; those with a star must be there.
var fields = map[string]string{
	"RequestData":          "ver* id* name* duration* success* responseCode* url properties measurements",
	"RemoteDependencyData": "ver* id* name* duration* success* resultCode* type* target data properties measurements",
	"ExceptionData":        "ver* exceptions* severityLevel properties measurements",
	"EventData":            "ver* name* properties measurements",
	"MessageData":          "ver* message* severityLevel properties measurements",
	"MetricData":           "ver* metrics* properties",
}

var tagNames = []string{"ai.internal.sdkVersion", "ai.cloud.role", "ai.cloud.roleInstance", "ai.application.ver",
	"ai.operation.id", "ai.operation.parentId", "ai.operation.name", "ai.operation.syntheticSource"}

func parse(line []byte) (Item, error) {
	var e struct {
		Ver        int               `json:"ver"`
		Name       string            `json:"name"`
		Time       time.Time         `json:"time"`
		SampleRate float64           `json:"sampleRate"`
		Key        string            `json:"iKey"`
		Tags       map[string]string `json:"tags"`
		Data       struct {
			Type string         `json:"baseType"`
			Base map[string]any `json:"baseData"`
		} `json:"data"`
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Item{}, err
	}
	want := "Microsoft.ApplicationInsights." + strings.ReplaceAll(Key, "-", "") + "." + strings.TrimSuffix(e.Data.Type, "Data")
	switch {
	case e.Ver != 1 || e.Name != want || e.Key != Key:
		return Item{}, fmt.Errorf("ver %d, name %q or iKey %q is wrong", e.Ver, e.Name, e.Key)
	case e.Time.IsZero() || !(e.SampleRate > 0 && e.SampleRate <= 100):
		return Item{}, fmt.Errorf("time %s or sampleRate %g is wrong", e.Time, e.SampleRate)
	}
	for name := range e.Tags {
		if !slices.Contains(tagNames, name) {
			return Item{}, fmt.Errorf("unknown tag %s", name)
		}
	}
	if err := check(e.Data.Type, e.Data.Base); err != nil {
		return Item{}, err
	}
	properties, _ := e.Data.Base["properties"].(map[string]any)
	for k, v := range properties {
		if text, ok := v.(string); !ok || len(k) > 150 || len(text) > 8192 {
			return Item{}, fmt.Errorf("property %s is no text, or too long", k)
		}
	}
	return Item{Type: e.Data.Type, Time: e.Time, SampleRate: e.SampleRate, Tags: e.Tags, Base: e.Data.Base, Properties: properties}, nil
}

func check(baseType string, base map[string]any) error {
	known, ok := fields[baseType]
	if !ok {
		return fmt.Errorf("unknown baseType %q", baseType)
	}
	left := map[string]bool{}
	for name := range base {
		left[name] = true
	}
	for field := range strings.FieldsSeq(known) {
		name, required := strings.CutSuffix(field, "*")
		if required && !left[name] {
			return fmt.Errorf("%s without %s", baseType, name)
		}
		delete(left, name)
	}
	if len(left) > 0 {
		return fmt.Errorf("%s with unknown fields %v", baseType, left)
	}
	if base["ver"] != 2.0 {
		return fmt.Errorf("%s of ver %v", baseType, base["ver"])
	}
	if d, ok := base["duration"]; ok {
		if _, err := timespan(fmt.Sprint(d)); err != nil {
			return err
		}
	}
	for _, code := range []string{"responseCode", "resultCode"} {
		if v, ok := base[code]; ok {
			if _, text := v.(string); !text {
				return fmt.Errorf("%s is not a string", code)
			}
		}
	}
	if list, ok := base["metrics"].([]any); ok && len(list) != 1 {
		return fmt.Errorf("%d metrics in one item", len(list))
	}
	return nil
}

var timespans = regexp.MustCompile(`^(?:(\d+)\.)?(\d\d):(\d\d):(\d\d)\.(\d{7})$`)

func timespan(s string) (time.Duration, error) {
	m := timespans.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no timespan", s)
	}
	var days int
	_, _ = fmt.Sscan(m[1], &days) // none: 0
	d, err := time.ParseDuration(fmt.Sprintf("%sh%sm%s.%ss", m[2], m[3], m[4], m[5]))
	return time.Duration(days)*24*time.Hour + d, err
}
