//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/shoal-ipc/shoal/shm"
)

// The operation lies between calls of first and of last, which the tracer knows
// by their addresses.
//
//go:noinline
func first() {}

//go:noinline
func last() {}

// child runs in a child process, with the segment in descriptor 3.
func child(name string) error {
	runtime.MemProfileRate = 0 // samples are taken at random
	op, err := find(name)
	if err != nil {
		return err
	}
	ctx := context.Background()
	seg, err := shm.FromFile(ctx, os.NewFile(3, "segment"), nil)
	if err != nil {
		return err
	}
	d, err := op.open(ctx, seg)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go beside(func() { failed <- d.run() })
	return <-failed
}

// beside runs f on a thread of its own that is not the process's first one: the
// parent waits for that one by other means.
func beside(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		go beside(f)
		select {}
	}
	deep()
	f()
}

// deep makes the goroutine's stack large enough for all that follows: to make it
// larger takes some ten thousand instructions, which change nothing that is shared.
//
//go:noinline
func deep() byte {
	var room [1 << 16]byte
	return room[len(os.Args)]
}

// warmUps is how often a child does the operation before the one that counts.
const warmUps = 4

// run does everything, on a locked thread. It does not return if all is well.
func (d deed) run() error {
	for range warmUps {
		if err := d.warm(); err != nil {
			return err
		}
	}
	fmt.Println("warm")
	if err := hear(); err != nil {
		return err
	}
	if d.before != nil {
		if err := d.before(); err != nil {
			return err
		}
	}
	fmt.Println(unix.Gettid(), addressOf(first))
	if err := hear(); err != nil {
		return err
	}
	runtime.Gosched() // so that nobody asks for it in the operation
	first()
	err := d.do()
	last()
	fmt.Println("done:", err)
	return hear()
}

// hear waits for the parent.
func hear() error {
	n, err := unix.Read(0, make([]byte, 1))
	if err == nil && n == 0 {
		err = os.ErrClosed
	}
	return err
}
