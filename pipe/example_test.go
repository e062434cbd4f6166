package pipe_test

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

// squares answers each number by its square, until there are no more.
var squares = process.Func("pipe-squares", func(ctx context.Context, c *pipe.Conn) error {
	for {
		n, err := pipe.Recv[int](ctx, c)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = pipe.Send(ctx, c, n*n)
		}
		if err != nil {
			return err
		}
	}
})

// Example talks to a child process. In a program, main calls process.Main first.
func Example() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	here, there, err := pipe.Create(ctx, seg, "talk", pipe.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	child, err := squares.Start(ctx, there) // that end is the child's from now on
	if err != nil {
		log.Fatal(err)
	}
	for n := range 4 {
		if err := pipe.Send(ctx, here, n); err != nil {
			log.Fatal(err)
		}
		square, err := pipe.Recv[int](ctx, here)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(square)
	}
	_ = here.Close() // the child receives io.EOF
	fmt.Println(child.Wait(ctx))
	// Output:
	// 0
	// 1
	// 4
	// 9
	// <nil>
}

// A Conn is a net.Conn, for bytes.
func ExampleConn() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	a, b, err := pipe.Create(ctx, seg, "bytes", pipe.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(a, "all of this"); err != nil {
		log.Fatal(err)
	}
	_ = a.CloseWrite()
	text, err := io.ReadAll(b)
	fmt.Println(string(text), err)
	// Output: all of this <nil>
}
