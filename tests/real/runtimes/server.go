// A Go server by socket activation, sd_listen_fds(3): descriptor 3 is the listener.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		fmt.Fprint(w, os.Getpid())
	})
	server := &http.Server{}
	go server.Serve(listener)
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT)
	defer cancel()
	<-stop.Done()
	server.Shutdown(context.Background())
}
