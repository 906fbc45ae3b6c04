#!/usr/bin/env bash
# Runs at each start, before Airflow: makes the keys its parts share, if there are none yet, and brings its
# database up to date.
set -euo pipefail

for key in fernet_key:32 jwt_secret:64 api_secret_key:32; do # name:bytes
  file=$AIRFLOW_HOME/secrets/${key%:*}
  [[ -s $file ]] || (umask 077 && head -c "${key#*:}" /dev/urandom | base64 -w0 | tr '+/' '-_' >"$file")
done

exec airflow db migrate
