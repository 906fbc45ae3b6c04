# Airflow with this package and its examples: what docker-compose.yaml runs.
FROM apache/airflow:3.3.2

COPY --chown=airflow:0 pyproject.toml README.md LICENSE /opt/airflow/src/
COPY --chown=airflow:0 airflow_carbon /opt/airflow/src/airflow_carbon
# Airflow is named with its version, so that no dependency of ours can move it.
RUN pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" "/opt/airflow/src[azure,dashboard,postgres]" "trustme>=1.2"

# For trials without an account: what stands for Azure, and runs the trainings.
COPY --chown=airflow:0 tests/servers /opt/airflow/stand-in/servers

# Where docker-compose.yaml mounts volumes: a new volume takes its owner from here.
RUN mkdir -m 700 /opt/airflow/azure /opt/airflow/secrets /opt/airflow/measurements

COPY --chown=airflow:0 docker/init.sh /opt/airflow/docker/
COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 docker/dags /opt/airflow/dags/trial
