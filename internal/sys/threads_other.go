//go:build !linux

package sys

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// RobustLimit is how many words a RobustList would have.
const RobustLimit = 2048

// Probe returns what this system has: nothing.
func Probe() Features { return Features{} }

// FutexWait returns true after a millisecond, or false if limit is shorter: the
// caller looks at the word again. Words of this process can be waited for so.
func FutexWait(_ *uint32, _ uint32, limit time.Duration) bool {
	t := time.NewTimer(min(limit, time.Millisecond))
	defer t.Stop()
	<-t.C
	return limit > time.Millisecond
}

// FutexWake wakes nobody: sleepers look by themselves.
func FutexWake(*uint32, int) int { return 0 }

// FutexWakePrivate wakes nobody: sleepers look by themselves.
func FutexWakePrivate(*uint32, int) int { return 0 }

// FutexWaitv is not supported here.
func FutexWaitv([]FutexWaiter, time.Duration) (int, error) { return -1, errors.ErrUnsupported }

// RegisterMembarrier is not supported here.
func RegisterMembarrier() error { return errors.ErrUnsupported }

// Membarrier is not supported here.
func Membarrier() error { return errors.ErrUnsupported }

// BootID returns "" here.
func BootID() string { return "" }

// PIDNamespace returns 0 here.
func PIDNamespace() uint64 { return 0 }

// StartTime is not supported here.
func StartTime(int) (uint64, error) { return 0, errors.ErrUnsupported }

// Executable returns the file name of this process's program, for people.
func Executable() string { return filepath.Base(os.Args[0]) }

// OnMainThread reports false here.
func OnMainThread() bool { return false }

// DeathWord is not supported here.
type DeathWord struct{ word satomic.Uint32 }

// MapDeathWord is not supported here.
func MapDeathWord(*os.File, int64) (*DeathWord, error) { return nil, errors.ErrUnsupported }

// Word returns a word that nobody shares.
func (d *DeathWord) Word() *satomic.Uint32 { return &d.word }

// Blank does nothing here.
func (*DeathWord) Blank(int64) error { return nil }

// Unmap does nothing here.
func (*DeathWord) Unmap() error { return nil }

// RobustList is not supported here.
type RobustList struct{}

// NewRobustList is not supported here.
func NewRobustList() (*RobustList, error) { return nil, errors.ErrUnsupported }

// TID returns 0 here.
func (*RobustList) TID() uint32 { return 0 }

// Len returns 0 here.
func (*RobustList) Len() int { return 0 }

// Claim reports false here.
func (*RobustList) Claim(*DeathWord, uint32) bool { return false }

// Release does nothing here.
func (*RobustList) Release(*DeathWord) {}

// EnterKernel does nothing here.
func EnterKernel() {}

// Yield does nothing.
func Yield() {}
