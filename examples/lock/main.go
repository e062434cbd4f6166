// Lock lets three child processes print one after the other.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

type args struct {
	Item any
	Lock *lock.Mutex
}

// printer prints the item that was passed in.
var printer = process.Func("printer", func(ctx context.Context, a args) error {
	return a.Lock.Do(ctx, func() error {
		_, err := fmt.Println(a.Item)
		return err
	})
})

func main() {
	process.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer seg.Close()
	mu, err := lock.CreateMutex(ctx, seg, "stdout", lock.Spec{})
	if err != nil {
		return err
	}
	var children []*process.Child
	for _, item := range []any{"tango", "foxtrot", 10} {
		child, err := printer.Start(ctx, args{item, mu})
		if err != nil {
			return err
		}
		children = append(children, child)
	}
	return process.Wait(ctx, children...)
}
