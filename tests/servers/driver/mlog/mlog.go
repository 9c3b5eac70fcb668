// Package mlog has the few functions of the module of that name that the driver's main package calls.
package mlog

import (
	"context"
	"log"
)

// Format is how the driver's own log lines look; they stay plain here.
type Format string

// The formats that the driver knows.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

// Setup has nothing to set up, and returns what undoes it.
func Setup() func() { return func() {} }

// ValidateAndSetKlogLevelAndFormatGlobally leaves klog as it is.
func ValidateAndSetKlogLevelAndFormatGlobally[Level ~int32](context.Context, Level, Format) error {
	return nil
}

// Error logs a failure with its key-value pairs.
func Error(message string, err error, pairs ...any) { log.Println(message, err, pairs) }

// Fatal logs a failure and ends the process.
func Fatal(err error) { log.Fatal(err) }
