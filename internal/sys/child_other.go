//go:build !linux

package sys

import (
	"errors"
	"os"
)

// Duplicate is not supported here.
func Duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// Adopt is not supported here.
func Adopt(int, string) (*os.File, error) { return nil, errors.ErrUnsupported }

// AdoptPipe is not supported here.
func AdoptPipe(int, string) (*os.File, error) { return nil, errors.ErrUnsupported }

// StartError returns err.
func StartError(err error) error { return err }
