// Package house holds no code: its tests keep the project's import arrows and manners as they
// are meant to be. The rules stand in rules_test.go, one table row each.
package house

//go:generate go run ./gen
