//go:build linux && !shmcheck

package guardian_test

import "errors"

func helpStep([]string) error { return errors.New("only with -tags shmcheck") }
