package chart

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource is what permissions call a kind of objects.
type Resource struct {
	Group, Name string
	// Namespaced says whether its objects are in namespaces.
	Namespaced bool
}

// Resource of a kind, as the cluster knows it.
func (c *Client) Resource(kind schema.GroupVersionKind) (Resource, error) {
	m, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return Resource{}, fmt.Errorf("asking the cluster for the kind %s: %w", kind.Kind, err)
	}
	return Resource{Group: m.Resource.Group, Name: m.Resource.Resource, Namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}, nil
}
