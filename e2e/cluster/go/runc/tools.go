//go:build tools

// Package tools names the command that e2e/cluster builds from this module.
package tools

import _ "github.com/opencontainers/runc"
