// Command kubernetes is a real Kubernetes API server together with its own etcd in one process, for tests only.
//
//	kubernetes DIR [kube-apiserver's flags…]
//
// DIR keeps etcd's data and its sockets: etcd names a socket by host and port in the working folder, so the command goes
// to DIR first. It serves until it is killed or its standard input ends.
package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("the first argument is the folder to work in"))
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()

	dir, err := filepath.Abs(os.Args[1])
	if err != nil {
		fail(err)
	}
	if err := os.Chdir(dir); err != nil {
		fail(err)
	}
	endpoint, err := startEtcd(filepath.Join(dir, "etcd"))
	if err != nil {
		fail(err)
	}

	// The API server's command reads the process's own arguments.
	os.Args = append([]string{"kube-apiserver", "--etcd-servers=" + endpoint.String()}, os.Args[2:]...)
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}

// startEtcd starts a member of its own over Unix sockets, waits until it serves, and returns where.
func startEtcd(data string) (url.URL, error) {
	clients := url.URL{Scheme: "unix", Host: "localhost:2379"}
	peers := url.URL{Scheme: "unix", Host: "localhost:2380"}

	config := embed.NewConfig()
	config.Dir = data
	config.LogLevel = "error"
	config.ListenClientUrls = []url.URL{clients}
	config.AdvertiseClientUrls = []url.URL{clients}
	config.ListenPeerUrls = []url.URL{peers}
	config.AdvertisePeerUrls = []url.URL{peers}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	// A test's data is thrown away with its folder.
	config.UnsafeNoFsync = true

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return url.URL{}, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return clients, nil
	case err := <-etcd.Err():
		return url.URL{}, fmt.Errorf("start etcd: %w", err)
	}
}

// fail ends the process with one sentence.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "kubernetes:", err)
	os.Exit(1)
}
