// Package ext stands in for the extension points Traefik leaves to its commercial builds; both are empty.
package ext

// HTTP extends the HTTP part of a dynamic configuration with nothing.
type HTTP struct{}

// Router extends a router with nothing.
type Router struct{}
