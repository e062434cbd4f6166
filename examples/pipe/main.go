// Pipe lets a child process send a list to its parent, and end.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

var greet = process.Func("greet", func(ctx context.Context, c *pipe.Conn) error {
	return pipe.Send[any](ctx, c, []any{42, nil, "hello"})
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
	mine, childs, err := pipe.Create(ctx, seg, "talk", pipe.Spec{})
	if err != nil {
		return err
	}
	child, err := greet.Start(ctx, childs)
	if err != nil {
		return err
	}
	for {
		message, err := pipe.Recv[any](ctx, mine)
		if errors.Is(err, io.EOF) { // the child has ended, and there is no copy of its end to close
			break
		}
		if err != nil {
			return err
		}
		fmt.Println(message)
	}
	return child.Wait(ctx)
}
