// Package model checks the release protocol.
package model
