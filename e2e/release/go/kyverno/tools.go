//go:build tools

// Package tools names the command that e2e/release builds from this module.
package tools

import _ "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno"
