package insights

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// annotationsVersion is the only api-version of annotations that there is.
const annotationsVersion = "2015-05-01"

// Annotation is a release annotation as it is sent and shown.
type Annotation struct {
	// Name is what it is called in charts.
	Name string `json:"AnnotationName"`
	// Category is always "Deployment": the charts show no other.
	Category string `json:"Category"`
	// EventTime is when it happened.
	EventTime time.Time `json:"EventTime"`
	// ID is a GUID. It can be used once.
	ID string `json:"Id"`
	// Properties is a JSON object, as a string.
	Properties string `json:"Properties,omitempty"`
	// Related is the id of another annotation.
	Related string `json:"RelatedAnnotation,omitempty"`
}

// annotations keeps the last ones.
type annotations struct {
	mu  sync.Mutex
	all []Annotation
}

// maxAnnotations bounds how many are kept.
const maxAnnotations = 1000

// put keeps an annotation unless there is one of its id.
func (a *annotations) put(x Annotation) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.ContainsFunc(a.all, func(old Annotation) bool { return strings.EqualFold(old.ID, x.ID) }) {
		return false
	}
	if len(a.all) == maxAnnotations {
		a.all = a.all[1:]
	}
	a.all = append(a.all, x)
	return true
}

func (a *annotations) list() []Annotation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Annotation{}, a.all...)
}

// Annotations serves PUT <component>/Annotations of Azure Resource Manager.
// Paths of other resources are 404, so that it may be one of several.
func (s *Server) Annotations() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := s.annotate(w, r); f != nil {
			f.write(w)
		}
	})
}

func (s *Server) annotate(w http.ResponseWriter, r *http.Request) *failure {
	if _, f := s.authenticate(r, s.o.VerifyARM); f != nil {
		return f
	}
	if !strings.EqualFold(r.URL.Path, s.o.Component+"/Annotations") {
		return fail(http.StatusNotFound, "ResourceNotFound", "The Resource '"+r.URL.Path+"' was not found.")
	}
	if version := r.URL.Query().Get("api-version"); version != annotationsVersion {
		return fail(http.StatusBadRequest, "NoRegisteredProviderFound", "No registered resource provider found for API version '"+version+"'. The supported api-versions are '"+annotationsVersion+"'.")
	}
	if r.Method != http.MethodPut {
		return fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "Only PUT is supported here")
	}
	var a Annotation
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	if err := d.Decode(&a); err != nil {
		return fail(http.StatusBadRequest, "BadRequest", "The annotation is not JSON: "+err.Error())
	}
	var properties map[string]any
	switch {
	case a.Name == "" || a.ID == "" || a.EventTime.IsZero():
		return fail(http.StatusBadRequest, "BadRequest", "AnnotationName, Id and EventTime are required")
	case a.Category != "Deployment":
		return fail(http.StatusBadRequest, "BadRequest", "Category must be Deployment, not '"+a.Category+"'")
	case a.Properties != "" && json.Unmarshal([]byte(a.Properties), &properties) != nil:
		return fail(http.StatusBadRequest, "BadRequest", "Properties must be a JSON object in a string")
	}
	if !s.annotations.put(a) {
		// That it is an error is documented; its status and words are not.
		return fail(http.StatusConflict, "Conflict", "An annotation with the id "+a.ID+" exists already")
	}
	writeJSON(w, http.StatusOK, []Annotation{a})
	return nil
}
