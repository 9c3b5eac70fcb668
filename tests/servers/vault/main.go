// Command vault is a real Vault server that keeps everything in memory, for tests only.
//
// It initializes and unseals itself, makes a root token with a known id, prints one JSON line about where it listens and
// how to unseal it, and serves until it is killed or its standard input ends.
package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	authjwt "github.com/hashicorp/vault-plugin-auth-jwt"
	authkubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/logical/database"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// options are what the command line says.
type options struct {
	listen    string
	rootToken string
	tlsCert   string
	tlsKey    string
}

// greeting is the line that tells the test where the server is.
type greeting struct {
	Address   string `json:"address"`
	UnsealKey string `json:"unseal_key"`
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	flag.StringVar(&o.rootToken, "root-token", "root", "`id` of the root token")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` of the server's certificate; plain HTTP without")
	flag.StringVar(&o.tlsKey, "tls-key", "", "PEM `file` of its private key")
	flag.Parse()

	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := serve(o); err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}

// serve starts an unsealed core and answers its API.
func serve(o options) error {
	core, unsealKey, err := newUnsealedCore(o.rootToken)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", o.listen, err)
	}
	scheme := "http"
	if o.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return fmt.Errorf("load the certificate: %w", err)
		}
		scheme = "https"
		// Client certificates are asked for and not checked: auth/cert does that.
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{pair},
			NextProtos:   []string{"h2", "http/1.1"},
			ClientAuth:   tls.RequestClientCert,
			MinVersion:   tls.VersionTLS12,
		})
	}
	err = json.NewEncoder(os.Stdout).Encode(greeting{
		Address:   fmt.Sprintf("%s://%s", scheme, listener.Addr()),
		UnsealKey: hex.EncodeToString(unsealKey),
	})
	if err != nil {
		return err
	}
	return http.Serve(listener, vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{},
	}))
}

// newUnsealedCore makes a core over an in-memory store with one unseal key and a root token of the given id.
func newUnsealedCore(rootToken string) (*vault.Core, []byte, error) {
	logger := hclog.New(&hclog.LoggerOptions{Name: "vault", Level: hclog.Warn, Output: os.Stderr})
	store, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, nil, fmt.Errorf("make the store: %w", err)
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:        store,
		Logger:          logger,
		DisableMlock:    true,
		BuiltinRegistry: databasePlugins{},
		LogicalBackends: map[string]logical.Factory{
			"kv":       kv.Factory,
			"database": database.Factory,
		},
		CredentialBackends: map[string]logical.Factory{
			"approle":    approle.Factory,
			"cert":       cert.Factory,
			"jwt":        authjwt.Factory,
			"kubernetes": authkubernetes.Factory,
		},
		AuditBackends: map[string]audit.Factory{},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make the core: %w", err)
	}

	ctx := namespace.RootContext(context.Background())
	oneKey := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: oneKey})
	if err != nil {
		return nil, nil, fmt.Errorf("initialize: %w", err)
	}
	unsealKey := made.SecretShares[0]
	if _, err := core.Unseal(unsealKey); err != nil {
		return nil, nil, fmt.Errorf("unseal: %w", err)
	}
	_, err = core.HandleRequest(ctx, &logical.Request{
		ID:          "root-token",
		Operation:   logical.UpdateOperation,
		ClientToken: made.RootToken,
		Path:        "auth/token/create",
		Data: map[string]any{
			"id":                rootToken,
			"policies":          []string{"root"},
			"no_parent":         true,
			"no_default_policy": true,
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make the root token: %w", err)
	}
	return core, unsealKey, nil
}

// postgresqlPlugin is the name under which a database connection asks for PostgreSQL.
const postgresqlPlugin = "postgresql-database-plugin"

// databasePlugins is a catalogue of built-in plugins with one entry, PostgreSQL's.
type databasePlugins struct{}

// Contains says whether the catalogue has that plugin.
func (databasePlugins) Contains(name string, kind consts.PluginType) bool {
	return kind == consts.PluginTypeDatabase && name == postgresqlPlugin
}

// Get is the plugin's constructor.
func (p databasePlugins) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	if !p.Contains(name, kind) {
		return nil, false
	}
	return postgresql.New, true
}

// Keys names the plugins of a kind.
func (databasePlugins) Keys(kind consts.PluginType) []string {
	if kind == consts.PluginTypeDatabase {
		return []string{postgresqlPlugin}
	}
	return nil
}

// DeprecationStatus says that the one plugin is supported.
func (p databasePlugins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, p.Contains(name, kind)
}

// IsBuiltinEntPlugin is never true: this is the open-source server.
func (databasePlugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
