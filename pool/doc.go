// Package pool runs functions in a set of worker processes of the same
// executable.
//
// A Function is registered in a package-level variable; its methods run it in the
// workers of a Pool: one call (Call), a future (Go), all elements of a slice
// (Map), or all that an iterator yields (Stream, StreamUnordered).
//
//	var square = pool.Func("square", func(ctx context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		process.Main() // in a worker: never returns
//		p, err := pool.New(context.Background(), &pool.Options{Workers: 4})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer p.Close()
//		squares, err := square.Map(context.Background(), p, []int{1, 2, 3})
//		…
//	}
//
// # What travels
//
// Tasks and results travel through queues in shared memory, encoded as in package
// queue: a type of fixed layout as its bytes, any other by its own binary methods
// or as CBOR. Handles (queues, values, locks, …) and segments travel anywhere in
// an argument that is not of fixed layout: the worker gets its own handle on the
// same memory, which it then keeps open until it ends.
//
// Results are decoded one after another, by a caller that waits, for the others
// too. A method of the result's type that decodes it may fail, panic, or call
// runtime.Goexit, which is the error of that task; but it must not wait for another
// task of the same pool, whose result cannot come meanwhile.
//
// # Errors, panics, and death
//
// An error that a function returns, or a panic in it, is a *process.RemoteError,
// in which errors.Is finds the sentinel errors of the worker. A worker that dies
// (killed, out of memory, os.Exit) is replaced. Of the tasks that it had, those
// that it had finished keep their results, also results that were on their way;
// those that it had not begun go to other workers; and the one that it was in is
// run again as often as Options.Retries says, or fails with a *WorkerDiedError. So
// each task ends once, in a result or in an error, whatever dies when.
//
// A pool gives up when its workers end before they are ready, or cannot be started,
// again and again: all tasks that it has fail with the reason, and so does what comes
// later.
//
// # Time
//
// The ctx of a call bounds its tasks: when it ends, those that have not begun
// are dropped, and the ctx of those that run ends. A worker that does not heed it
// within Options.Grace is killed and replaced, so that the work really stops.
// Workers end with the process that made the pool, however it ends.
package pool
