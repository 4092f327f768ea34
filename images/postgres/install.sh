#!/bin/sh
# Turns a fresh Debian into the Postgres image, as root. `docker build` runs it, and so does hack/cluster/image.ts, which has no engine.
set -eu
export DEBIAN_FRONTEND=noninteractive
here=$(dirname "$0")

# Volumes outlive images, so the ids that own the data must never move. 999 is what the official postgres image uses on Debian.
groupadd --system --gid 999 postgres
useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql --shell /bin/bash postgres

# Packages must neither start services nor create a cluster: https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/holdfast.conf
cat > /etc/dpkg/dpkg.cfg.d/holdfast <<'EXCLUDE'
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-include /usr/share/doc/*/copyright
EXCLUDE

apt-get update -q
sed 's/#.*//' "$here/packages.txt" | xargs apt-get install -q -y --no-install-recommends
apt-get clean

# Patroni writes its sockets and its configuration as this user, on a root file system that may be read-only elsewhere.
install -d -o postgres -g postgres -m 2775 /run/postgresql
install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /usr/sbin/policy-rc.d
