package sys

import (
	"errors"
	"math"
	"time"
)

// FutexWaiter is one of the words that FutexWaitv sleeps on.
type FutexWaiter struct {
	Word    *uint32
	Want    uint32 // sleep while the word is this
	Private bool   // only this process knows the word, and wakes it by FutexWakePrivate
}

const (
	// MaxWaiters is how many words FutexWaitv takes at most.
	MaxWaiters = 128
	// NoLimit makes FutexWaitv sleep without a limit.
	NoLimit time.Duration = math.MaxInt64
)

// ErrTimeout is what FutexWaitv returns when the time is over.
var ErrTimeout = errors.New("sys: the time is over")
