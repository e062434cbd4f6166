//go:build shmcheck

package explore

import (
	"bytes"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// KillAt runs f in a goroutine that dies at its step n, counted from 1: it goes
// no further, and no deferred call of it runs. KillAt reports whether that
// happened; if not, f has ended with fewer steps. Other goroutines go on. Only one
// KillAt or All may run at a time.
func KillAt(n int, f func()) bool {
	ended := make(chan bool, 2)
	var victim atomic.Uint64
	steps := 0
	satomic.SetHook(func() {
		if victim.Load() != goroutine() {
			return
		}
		if steps++; steps == n {
			ended <- true
			select {}
		}
	})
	defer satomic.SetHook(nil)
	go func() {
		victim.Store(goroutine())
		f()
		ended <- false
	}()
	return <-ended
}

// goroutine returns the number of the calling goroutine.
func goroutine() uint64 {
	var buf [64]byte
	text := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	text, _, _ = bytes.Cut(text, []byte(" "))
	id, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}
